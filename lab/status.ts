/** What runs: hosts, and the VMs on them. */
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
  return rows
    .flat()
    .map((row) =>
      row
        .map((cell) => cell.padEnd(14))
        .join("")
        .trimEnd(),
    )
    .join("\n")
    .concat("\n");
}
