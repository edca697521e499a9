/**
 * Trees, and the objects that Flux applies from them. `RECORD_TREES=1` records what kustomize and
 * the reader make of them; look at the difference then.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { treeObjects } from "../../../../components/gitops/tree/tree";
import {
  TREES,
  TREE_NAMES,
  recordedPrograms,
  settingsOf,
} from "../../../fixtures/gitops-trees/trees";

test("there are at least twenty", () => {
  expect(TREE_NAMES.length).toBeGreaterThanOrEqual(20);
});

test.each(TREE_NAMES)("%s", async (name) => {
  const tree = join(TREES, name, "tree");
  const programs = recordedPrograms(name);
  const objects = await treeObjects(tree, "cluster", settingsOf(name), programs);
  const file = join(TREES, name, "expected.yaml");
  if (process.env["RECORD_TREES"] !== undefined) {
    writeFileSync(file, objects.map((object) => stringify(object)).join("---\n"));
  }
  const expected = parseAllDocuments(readFileSync(file, "utf8"));
  const contents = expected.map((document) => {
    const object: unknown = document.toJS();
    return object;
  });
  expect(objects).toEqual(contents);
});
