/** SDKs of the provider for other languages, made by the engine's generators. */
import { run } from "./command";
import { builtProgram } from "./goModule";

const PROGRAM = {
  module: "sdk",
  package: ".",
  binary: "sdk",
  duration: "3 minutes on 2 cores",
} as const;

/** Writes `go` and `python` below the directory. `goModule` is the path of the Go module. */
export async function generateSdks(
  schema: string,
  directory: string,
  goModule: string,
): Promise<void> {
  await run([await builtProgram(PROGRAM), directory, goModule], { input: schema });
}
