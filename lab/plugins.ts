/**
 * The provider plugins of the packages that the program uses: the official ones where they can be
 * downloaded, else the stand-ins of lab/plugins.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attempt } from "./command";
import { labEnvironment, pulumiHome } from "./environment";
import { cacheDirectory, checkout, madeOnce } from "./paths";
import { say, step } from "./progress";

const PLUGINS = [
  { name: "command", version: "1.2.1" },
  { name: "kubernetes", version: "4.34.2" },
] as const;
type Plugin = (typeof PLUGINS)[number];

const DOWNLOAD_SECONDS = 90;
const A_DAY_MS = 24 * 3600 * 1000;
/** A file in a cached plugin's directory: the download failed. */
const ABSENT = "not-downloaded";

export async function ensurePlugins(): Promise<void> {
  for (const plugin of PLUGINS) await ensurePlugin(plugin);
}

async function ensurePlugin(plugin: Plugin): Promise<void> {
  const directory = `resource-${plugin.name}-v${plugin.version}`;
  const target = join(pulumiHome, "plugins", directory);
  if (existsSync(target)) return;
  const cached = join(cacheDirectory, "plugins", directory);
  if (isOld(join(cached, ABSENT))) rmSync(cached, { recursive: true });
  await madeOnce(cached, (partial) =>
    step(`downloading the plugin ${plugin.name} ${plugin.version}`, () =>
      download(plugin, directory, partial),
    ),
  );
  await madeOnce(target, (partial) => {
    if (existsSync(join(cached, ABSENT))) installStandIn(plugin, partial);
    else cpSync(cached, partial, { recursive: true });
    return Promise.resolve();
  });
}

/** A failed download is retried after a day. */
function isOld(mark: string): boolean {
  const status = statSync(mark, { throwIfNoEntry: false });
  return status !== undefined && Date.now() - status.mtimeMs > A_DAY_MS;
}

/** Into a separate Pulumi home: an unfinished download never gets into the lab's. */
async function download(plugin: Plugin, directory: string, partial: string): Promise<void> {
  const home = `${partial}-home`;
  const answer = await attempt(
    ["pulumi", "plugin", "install", "resource", plugin.name, plugin.version],
    { env: { ...labEnvironment(), PULUMI_HOME: home }, timeoutSeconds: DOWNLOAD_SECONDS },
  );
  const downloaded = join(home, "plugins", directory);
  if (answer.code === 0 && existsSync(downloaded)) {
    cpSync(downloaded, partial, { recursive: true });
  } else {
    say(`  the download failed: using the lab's stand-in, lab/plugins/${plugin.name}`);
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, ABSENT), answer.stderr);
  }
  rmSync(home, { recursive: true, force: true });
}

function installStandIn(plugin: Plugin, directory: string): void {
  const main = join(checkout, "bin", "lab", "plugins", plugin.name, "main.js");
  const executable = join(directory, `pulumi-resource-${plugin.name}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(executable, `#!/bin/sh\nexec node '${main.replaceAll("'", "'\\''")}' "$@"\n`);
  chmodSync(executable, 0o755);
}
