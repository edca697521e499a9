/** Inputs that an earlier run recorded, maybe with an older schema. Pure. */
import { z } from "zod";
import { ProviderError } from "./errors";
import { markLike, reveal, toValue } from "./wire";
import type { ValueMap } from "./wire";

export class RecordedInputs<I extends object> {
  constructor(
    private readonly type: string,
    private readonly schema: z.ZodObject & z.ZodType<I>,
  ) {}

  /** As today's schema has them: without unknown properties, and with its defaults. */
  upgrade(map: ValueMap): ValueMap {
    const plain = reveal(map);
    const upgraded: ValueMap = {};
    for (const [name, field] of Object.entries(this.schema.shape)) {
      const value = map[name];
      const parsed = z.safeParse(field, plain[name]);
      if (parsed.success) {
        if (parsed.data !== undefined) upgraded[name] = markLike(toValue(parsed.data), value);
      } else if (value !== undefined) upgraded[name] = value;
    }
    return upgraded;
  }

  /** Undefined if today's schema rejects them. */
  parseIfValid(map: ValueMap): I | undefined {
    return this.schema.safeParse(reveal(map)).data;
  }

  /** Throws what today's schema rejects. */
  parse(urn: string, map: ValueMap): I {
    const parsed = this.schema.safeParse(reveal(map));
    if (parsed.success) return parsed.data;
    const faults = parsed.error.issues.map(
      ({ path, message }) => `${path.map(String).join(".")}: ${message}`,
    );
    throw new ProviderError(
      "input",
      `${this.type} ${nameOf(urn)}: this version cannot read the recorded inputs: ` +
        faults.join("; "),
      "Run `pulumi up` with the resource in the site: it records all inputs again. " +
        `If it is gone from its host, run: pulumi state delete '${urn}'`,
    );
  }
}

function nameOf(urn: string): string {
  return urn.split("::").pop() ?? urn;
}
