/** Small parts of the schema that several of its files use. */
import { z } from "zod";

/** For editors: these keys are required. */
export function demand<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape, z.core.$strict>,
  ...keys: (keyof Shape & string)[]
) {
  return schema.meta({ required: keys });
}

export const flag = z.boolean().optional();
export const choice = <const Words extends readonly string[]>(...words: Words) =>
  z.enum(words).optional();
