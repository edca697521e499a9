/** The JSON schema that gives editors completion, made from the zod schema. Pure. */
import { z } from "zod";
import { siteSchema } from "./schema";

/** Text of site.schema.json. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(siteSchema, { io: "input", unrepresentable: "any" });
  return `${JSON.stringify({ title: "pulumi-microvm site", ...schema }, undefined, 2)}\n`;
}
