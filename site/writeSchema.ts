/** Writes site.schema.json at the root of the project: `npm run schema`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { jsonSchema } from "./jsonSchema";

writeFileSync(join(__dirname, "..", "..", "site.schema.json"), jsonSchema());
