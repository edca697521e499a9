/** Trees of plain files, without kustomize: the documents of all files that it would list. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { PROGRAMS } from "../../../../components/gitops/tree/commands";
import type { Command, Programs } from "../../../../components/gitops/tree/commands";
import { parseGoYaml, parseGoYamlDocuments } from "../../../../components/gitops/tree/goYaml";
import { isMap, mapAt, textsAt } from "../../../../components/gitops/tree/json";
import type { Json, JsonMap } from "../../../../components/gitops/tree/json";

const made: string[] = [];

/** Call it after all tests. */
export function removeTrees(): void {
  for (const directory of made) rmSync(directory, { recursive: true });
}

/** Directory of a new tree: path -> text. */
export function treeOf(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "tree-"));
  made.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** `command` is for programs other than kustomize. */
export function simplePrograms(command: Command = PROGRAMS.command): Programs {
  return { command, kustomize: (directory) => Promise.resolve(built(directory)) };
}

function built(directory: string): string {
  const file = parseGoYaml(readFileSync(join(directory, "kustomization.yaml"), "utf8"));
  return textsAt(file, "resources")
    .flatMap((path) => {
      const documents = parseGoYamlDocuments(readFileSync(join(directory, path), "utf8"));
      return documents.filter(isMap).map((object) => stringify(annotated(object, path), YAML));
    })
    .join("---\n");
}
const YAML = { version: "1.1", aliasDuplicateObjects: false } as const;

function annotated(object: JsonMap, path: string): Json {
  const origin = { "config.kubernetes.io/origin": `path: ${path.replace("./", "")}\n` };
  const annotations = { ...mapAt(object, "metadata", "annotations"), ...origin };
  return { ...object, metadata: { ...mapAt(object, "metadata"), annotations } };
}
