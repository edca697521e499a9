/** The environment of the lab's commands: its own Pulumi home, backend, SSH agent and Nix. */
import { mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { compileCacheDirectory } from "../compileCache";
import { pathWithEngine } from "./engine";
import { labSource, stateDirectory } from "./paths";
import { agentSocket } from "./ssh";

export const pulumiHome = join(stateDirectory, "pulumi");
const backend = join(stateDirectory, "backend");
/** Programs of the lab that its commands find. */
export const programDirectory = join(stateDirectory, "bin");
export const kubeconfigFile = join(stateDirectory, "kubeconfig");

export function ensureDirectories(): void {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  for (const directory of [pulumiHome, backend, programDirectory])
    mkdirSync(directory, { recursive: true });
}

export function labEnvironment(): NodeJS.ProcessEnv {
  return {
    // Pulumi's language host starts Node by itself, before any of our code.
    NODE_COMPILE_CACHE: compileCacheDirectory(),
    ...process.env,
    PATH: [programDirectory, pathWithEngine()].join(delimiter),
    KUBECONFIG: kubeconfigFile,
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${backend}`,
    // The lab's stacks have no real secrets.
    PULUMI_CONFIG_PASSPHRASE: "lab",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // lab/plugins.ts has installed what is available. Otherwise each command would try to download
    // the rest again.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    SSH_AUTH_SOCK: agentSocket,
    // The same settings as on the hosts. The machine's own settings stay as they are.
    NIX_CONF_DIR: join(labSource, "flake", "etc", "nix"),
  };
}
