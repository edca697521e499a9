/** Builds programs from Go modules, with low priority and progress. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { isOnPath, run } from "../command";
import { step } from "../progress";
import { moduleDirectory, type Source } from "./programs";

/** Other work on this machine comes first. */
const LOW_PRIORITY = ["nice", "-n", "19", "ionice", "-c", "3"];
/** Of a machine where everything else comes first. */
const TIMEOUT_SECONDS = 4 * 3600;

export function requireGo(what: string): void {
  if (!isOnPath("go")) {
    throw new Error(`can't build ${what}: there is no Go on PATH. See https://go.dev/doc/install`);
  }
}

/** Builds the programs of a source into a new directory. */
export async function buildSource(source: Source, directory: string): Promise<void> {
  requireGo(source.programs.join(", "));
  mkdirSync(directory, { recursive: true });
  const flags = Object.entries(source.linked).map(([name, value]) => ` -X ${name}=${value}`);
  const title =
    `building ${source.programs.join(", ")} ${source.version} from Go modules ` +
    `(takes ${source.minutes} minutes of processor time)`;
  const packages = new Set<string>();
  // The name of a package is not always the name of its program.
  await step(
    title,
    async () => {
      for (const [index, name] of source.packages.entries()) {
        const output = join(directory, source.programs[index] ?? name);
        await goBuild(
          moduleDirectory(source),
          output,
          name,
          `-s -w${flags.join("")}`,
          (line) => packages.add(line),
          source.tags,
        );
      }
      await copyAssets(source, directory);
    },
    () => `, ${packages.size} packages compiled`,
  );
}

/** Copies files of modules, and makes the copies writable: the module cache is not. */
async function copyAssets(source: Source, directory: string): Promise<void> {
  for (const [place, asset] of Object.entries(source.assets ?? {})) {
    const target = join(directory, place);
    const module = await run(["go", "list", "-m", "-f", "{{.Dir}}", asset.module], {
      cwd: moduleDirectory(source),
    });
    mkdirSync(dirname(target), { recursive: true });
    await run(["cp", "-r", join(module.trim(), asset.directory), target]);
    await run(["chmod", "-R", "u+w", target]);
  }
}

/** `onPackage` gets the name of each package that is compiled. With tags it is built with C. */
export async function goBuild(
  module: string,
  output: string,
  name: string,
  linkerFlags: string,
  onPackage: (name: string) => void = () => undefined,
  tags: readonly string[] = [],
): Promise<void> {
  const flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", linkerFlags, "-o", output];
  const tagged = tags.length > 0 ? ["-tags", tags.join(" ")] : [];
  await run([...LOW_PRIORITY, "go", "build", ...flags, ...tagged, name], {
    cwd: module,
    env: { ...process.env, CGO_ENABLED: tags.length > 0 ? "1" : "0" },
    timeoutSeconds: TIMEOUT_SECONDS,
    onStderr: (text) => {
      for (const line of text.split("\n")) if (/^[\w./-]+$/.test(line)) onPackage(line);
    },
  });
}
