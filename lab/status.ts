/** What runs: the hosts, and the VMs on them. */
import { HOSTS } from "./network";
import { isUp } from "./hosts";
import { guestsOf } from "./ssh";

/** One line for each host and each VM. */
export async function statusText(): Promise<string> {
  const rows = await Promise.all(
    HOSTS.map(async (host) => {
      const up = isUp(host);
      const head = [host.name, "hypervisor", host.address, up ? "running" : "stopped"];
      const guests = up ? await guestsOf(host) : [];
      return [head, ...guests.map((guest) => [`  ${guest.name}`, "VM", guest.address, guest.unit])];
    }),
  );
  return columns(rows.flat());
}

/** Lines whose cells start at the same columns, also with long names. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) => row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
