/** The guest's part of a volume that grows while its VM runs: the file system that is mounted there. */
import { ProviderError, messageOf } from "../../errors";
import { awaitGuest } from "../../hosts/guest";
import type { Host } from "../../hosts/host";
import type { Context } from "../../resource";

const BYTES_PER_MIB = 1024 * 1024;
/** The guest runs already, or was started a moment ago. */
const ANSWER_MS = 60_000;

export interface GrowingVolume {
  vm: string;
  name: string;
  address?: string | undefined;
  label: string;
  sizeMiB: number;
}

/** Grows the file system to the size of its disk, which the guest sees by now. Can be run again. */
export async function growInGuest(
  host: Host,
  context: Context,
  hostKey: string | undefined,
  volume: GrowingVolume,
): Promise<void> {
  const { vm, address } = volume;
  try {
    if (address === undefined) throw new Error("its address is not stated");
    if (volume.label === "") throw new Error("it has no label to find it by");
    if (hostKey === undefined) throw new Error("it has no SSH host key that could be pinned");
    const guest = { name: vm, address, hostKey };
    const deadline = Math.min(context.deadline, Date.now() + ANSWER_MS);
    await awaitGuest(host, { ...context, deadline }, guest);
    context.status("growing the file system in the guest");
    await host.inGuest(context, guest, "guest-grow", {
      label: volume.label,
      bytes: String(volume.sizeMiB * BYTES_PER_MIB),
    });
  } catch (error) {
    if (context.signal.aborted) throw error;
    const cause = error instanceof ProviderError ? error.what : messageOf(error);
    throw new ProviderError(
      "guest",
      `${host.name}: volume ${vm}.${volume.name} has its new size, but guest ${vm} could not grow the file system in it: ${cause}`,
      `The next up tries again. Or set running: false on ${vm} and run up: a stopped VM's volume grows on the host.`,
    );
  }
}
