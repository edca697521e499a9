/**
 * The files of a tree that Flux sees: source-controller archives regular files only, without those
 * that fluxcd/pkg sourceignore excludes and without what `.sourceignore` names. What Git ignores is
 * in no commit.
 */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CommandError } from "./commands";
import type { Command } from "./commands";

const IGNORE_FILE = ".sourceignore";

/** sourceignore.go: ExcludeVCS. */
const VCS_NAMES = [".gitignore", ".gitmodules", ".gitattributes"];
const VCS_DIRECTORY = ".git";
/** ExcludeExt, ExcludeCI, ExcludeExtra: only without patterns of the tree's own. */
const IGNORED_NAMES = [
  ".travis.yml",
  ".gitlab-ci.yml",
  "appveyor.yml",
  ".drone.yml",
  "cloudbuild.yaml",
  "codeship-services.yml",
  "codeship-steps.yml",
  ".goreleaser.yml",
  ".sops.yaml",
  ".flux.yaml",
];
const IGNORED_DIRECTORIES = [".github", ".circleci"];
const IGNORED_ENDS = [".jpg", ".jpeg", ".gif", ".png", ".wmv", ".flv", ".tar.gz", ".zip"];

/** The root of the Git repository that a directory is in. Undefined if it is in none. */
export function repositoryRoot(directory: string): string | undefined {
  if (existsSync(join(directory, ".git"))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : repositoryRoot(parent);
}

/** Paths relative to the root. `scratch` is a private directory for a file of patterns. */
export async function artifactFiles(
  run: Command,
  root: string,
  scratch: string,
): Promise<string[]> {
  const found =
    repositoryRoot(root) === undefined ? walk(root) : await filesOfGit(run, root, scratch);
  return found.filter((file) => {
    const status = lstatSync(join(root, file), { throwIfNoEntry: false });
    return status?.isFile() === true;
  });
}

async function filesOfGit(run: Command, root: string, scratch: string): Promise<string[]> {
  const list = async (...options: string[]): Promise<string[]> => {
    const args = ["-C", root, "ls-files", "-z", ...options];
    return (await run("git", args)).split("\0").filter((file) => file !== "");
  };
  const patterns = join(scratch, "ignored");
  const ignoring = ["--exclude-per-directory", IGNORE_FILE, "--exclude-from", patterns];
  const files = await list("--cached", "--others", "--exclude-standard");
  writeFileSync(patterns, ignoredPatterns(hasPatterns(root, files)).join("\n"));
  const [committed, ignored, added] = await Promise.all([
    list("--cached"),
    list("--cached", "--ignored", ...ignoring),
    list("--others", "--exclude-standard", ...ignoring),
  ]);
  const left = new Set(ignored);
  return [...committed.filter((file) => !left.has(file)), ...added].sort();
}

/** fluxcd/pkg artifact, SourceIgnoreFilter: any pattern of the tree turns the defaults off. */
function ignoredPatterns(hasOwn: boolean): string[] {
  const always = [...VCS_NAMES, `${VCS_DIRECTORY}/`];
  if (hasOwn) return always;
  const directories = IGNORED_DIRECTORIES.map((name) => `${name}/`);
  return [...always, ...IGNORED_NAMES, ...directories, ...IGNORED_ENDS.map((end) => `*${end}`)];
}

/** A file of comments has no pattern. */
function hasPatterns(root: string, files: readonly string[]): boolean {
  return files
    .filter((file) => basename(file) === IGNORE_FILE && existsSync(join(root, file)))
    .some((file) => /^(?!#)\s*\S/m.test(readFileSync(join(root, file), "utf8")));
}

function walk(root: string, below = ""): string[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(below, entry.name);
      if (entry.isDirectory()) {
        const isIgnored = [VCS_DIRECTORY, ...IGNORED_DIRECTORIES].includes(entry.name);
        return isIgnored ? [] : walk(root, path);
      }
      if (entry.name === IGNORE_FILE) {
        throw new CommandError(
          `${join(root, path)} is read with git, but ${root} is in no Git repository; ` +
            "run `git init` there",
        );
      }
      return isIgnoredFile(entry.name) ? [] : [path];
    })
    .sort();
}

function isIgnoredFile(name: string): boolean {
  return (
    [...VCS_NAMES, ...IGNORED_NAMES].includes(name) ||
    IGNORED_ENDS.some((end) => name.endsWith(end))
  );
}

/** Copies the files, so that a kustomization.yaml can be replaced as the controller does. */
export function copyArtifact(root: string, files: readonly string[], target: string): void {
  for (const directory of new Set(files.map((file) => dirname(file)))) {
    mkdirSync(join(target, directory), { recursive: true });
  }
  for (const file of files) copyFileSync(join(root, file), join(target, file));
}

const KUSTOMIZATION_FILES = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/** The kustomization file of a directory, if it has one. */
export function kustomizationFile(directory: string): string | undefined {
  return KUSTOMIZATION_FILES.map((name) => join(directory, name)).find(
    (file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/**
 * What a generated kustomization.yaml lists: YAML files, and directories with a kustomization file
 * of their own (fluxcd/pkg kustomize_generator.go, scanManifests).
 */
export function manifestsIn(directory: string, below = "."): string[] {
  const entries = readdirSync(join(directory, below), { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${below}/${basename(entry.name)}`;
      if (!entry.isDirectory()) return /\.ya?ml$/.test(entry.name) ? [path] : [];
      const own = kustomizationFile(join(directory, path));
      return own === undefined ? manifestsIn(directory, path) : [path];
    });
}
