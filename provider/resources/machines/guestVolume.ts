/** Grows the mounted file system of a volume in its guest. */
import { ProviderError, messageOf } from "../../errors";
import { ANSWER_SECONDS } from "../../hosts/guest";
import { readGuest } from "../../hosts/guestLogin";
import type { Context } from "../../resource";

const BYTES_PER_MIB = 1024 * 1024;

export interface GrowingVolume {
  host: string;
  vm: string;
  name: string;
  address?: string | undefined;
  label: string;
  sizeMiB: number;
}

/** Grows the file system to the size of its disk. Can be repeated. */
export async function growInGuest(context: Context, volume: GrowingVolume): Promise<void> {
  const { host, vm } = volume;
  try {
    const address = await addressOf(context, volume);
    if (address === undefined) throw new Error("its address is not stated");
    if (volume.label === "") throw new Error("it has no label to find it by");
    await grow(context, volume, address);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const cause = error instanceof ProviderError ? error.what : messageOf(error);
    throw new ProviderError(
      "guest",
      `${host}: volume ${vm}.${volume.name} has its new size, ` +
        `but guest ${vm} could not grow the file system in it: ${cause}`,
      "The next up tries again. While the VM is stopped, it grows the file system on the host.",
    );
  }
}

/** The same run may change the address later: the guest still has the one that the host knows. */
async function addressOf(context: Context, volume: GrowingVolume): Promise<string | undefined> {
  const facts = await context.pool.get(volume.host).read(context);
  return facts.vms.get(volume.vm)?.guestAddress ?? volume.address;
}

async function grow(context: Context, volume: GrowingVolume, address: string): Promise<void> {
  const guest = { name: volume.vm, address };
  const host = context.pool.guest(volume.host, guest);
  const { machineId } = await readGuest(host, guest, context, ANSWER_SECONDS);
  context.status("growing the file system in the guest");
  await host.operate(context, {
    script: "guest-grow",
    machineId,
    parameters: { label: volume.label, bytes: String(volume.sizeMiB * BYTES_PER_MIB) },
    seconds: context.workSeconds,
  });
}
