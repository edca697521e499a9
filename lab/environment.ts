/** The environment that the lab's commands run in: its own Pulumi home, backend, agent and nix. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathWithEngine } from "./engine";
import { labSource, stateDirectory } from "./paths";
import { agentSocket } from "./ssh";

export const pulumiHome = join(stateDirectory, "pulumi");
const backend = join(stateDirectory, "backend");

export function ensureDirectories(): void {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  for (const directory of [pulumiHome, backend]) mkdirSync(directory, { recursive: true });
}

export function labEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: pathWithEngine(),
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${backend}`,
    // The lab's stacks keep no secret that is worth one.
    PULUMI_CONFIG_PASSPHRASE: "lab",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // What can be had is installed before (lab/plugins.ts): else each command looks for the rest anew.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    SSH_AUTH_SOCK: agentSocket,
    // The same settings as on the hosts, and nothing of the machine's own is changed.
    NIX_CONF_DIR: join(labSource, "flake", "etc", "nix"),
  };
}
