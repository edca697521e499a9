/** Removes what systemd-nspawn and the kernel keep of a machine that has ended. */
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { attempt } from "./command";
import { waitFor } from "./progress";

const END_SECONDS = 20;

/** Kills the processes of the cgroup with that name, and removes it. See lab/host/boot.sh. */
export async function removeGroup(name: string): Promise<void> {
  if (existsSync("/run/systemd/system")) {
    await attempt(["systemctl", "kill", "--signal=KILL", `${name}.scope`]);
    await attempt(["systemctl", "stop", `${name}.scope`]);
    return;
  }
  for (const hierarchy of ["systemd", "unified", "."]) {
    const top = join("/sys/fs/cgroup", hierarchy, name);
    await waitFor(`cgroup ${top} to be empty`, END_SECONDS, () => Promise.resolve(clear(top)));
  }
}

/** Kills the processes of a cgroup and below, and removes it. Returns why it still exists. */
function clear(group: string): string | undefined {
  if (!existsSync(group)) return undefined;
  const causes = readdirSync(group, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => clear(join(group, entry.name)));
  for (const pid of readFileSync(join(group, "cgroup.procs"), "utf8").split("\n")) {
    if (pid !== "" && pid !== "0") end(Number(pid));
  }
  try {
    rmdirSync(group);
    return undefined;
  } catch (error) {
    return causes.find((cause) => cause !== undefined) ?? String(error);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}

/** Removes what systemd-nspawn leaves in /run of a machine that was killed. */
export function forgetMachine(name: string, root: string): void {
  const directory = "/run/systemd/nspawn";
  for (const kind of ["propagate", "unix-export"]) {
    rmSync(join(directory, kind, name), { recursive: true, force: true });
  }
  if (!existsSync(root)) return;
  const { dev, ino } = statSync(root);
  rmSync(join(directory, "locks", `inode-${dev}:${ino}`), { force: true });
}
