/** Programs that the lab builds from their Go modules, once for each version of their sources. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isOnPath, run } from "./command";
import { cacheDirectory, hashOfFiles, labSource, madeOnce } from "./paths";
import { step } from "./progress";

export interface GoProgram {
  /** Directory below lab/ with its go.mod and go.sum. */
  module: string;
  package: string;
  binary: string;
  /** For the message. */
  duration: string;
}

/** The path of the program's binary. */
export async function builtProgram(program: GoProgram): Promise<string> {
  const { module, binary, duration } = program;
  const sources = join(labSource, module);
  const directory = join(cacheDirectory, module, `${binary}-${hashOfFiles(sources)}`);
  await madeOnce(directory, (partial) =>
    step(`building ${binary} from its Go module (takes ${duration})`, async () => {
      mkdirSync(partial, { recursive: true });
      await goBuild(sources, join(partial, binary), program.package, "-s -w");
    }),
  );
  return join(directory, binary);
}

/** Builds a package of the module in `directory`. */
export async function goBuild(
  directory: string,
  output: string,
  source: string,
  flags: string,
): Promise<void> {
  if (!isOnPath("go")) throw new Error(`can't build ${output}: there is no Go on PATH`);
  await run(["go", "build", "-trimpath", "-ldflags", flags, "-o", output, source], {
    cwd: directory,
    env: { ...process.env, CGO_ENABLED: "0" },
    timeoutSeconds: 3600,
  });
}
