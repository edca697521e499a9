/** Writes what is made from the schema and the tables of contract/: `npm run schema`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { changesPage } from "./changesPage";
import { jsonSchema } from "./jsonSchema";

const ROOT = join(__dirname, "..", "..");
writeFileSync(join(ROOT, "site.schema.json"), jsonSchema());
writeFileSync(join(ROOT, "docs", "changes.md"), changesPage());
