/** hv1 with its own system, from a copy of the lab's flake with another `hypervisor/start.sh`. */
import { FlakeCopy, SiteCopy, bootId, on, until, up } from "./lab";

const SYSTEM = { confirmTimeout: "15s", switchTimeout: "10s", bootTimeout: "2m" };
/** A start script that makes the host reachable. */
export const GOOD = "ip link set br0 up\nsystemctl start --no-block ssh.service\n";
/** A command that prints the boot loader's default entry. */
export const DEFAULT_ENTRY =
  'cat "/boot/loader/entries/$(sed -n "s/^default //p" /boot/loader/loader.conf)"';

export class OwnSystem {
  readonly site = new SiteCopy();
  readonly flake = new FlakeCopy();

  readonly use = async (): Promise<void> => {
    await this.site.converge();
  };

  readonly release = async (): Promise<void> => {
    // Restores the original kernel for the next scenario.
    this.flake.reset();
    await this.want(GOOD, { rebootPolicy: "ifRequired" });
    await up();
    await this.site.restore();
    this.flake.remove();
  };

  /** Sets hv1's system in the site to one with this start script. */
  readonly want = async (start: string, system: Record<string, unknown> = {}): Promise<void> => {
    this.flake.write("hypervisor/start.sh", start);
    const wanted = { ...SYSTEM, ...system };
    await this.site.set({ flake: this.flake.reference, "hypervisors.hv1.system": wanted });
  };

  readonly setKernel = (text: string): void => this.flake.write("hypervisor/kernel", `${text}\n`);
}

export const current = (): Promise<string> => on("hv1", "readlink -f /run/current-system");
export const booted = (): Promise<string> => on("hv1", "readlink -f /run/booted-system");
export const bootOf = (): Promise<string> => on("hv1", "cat /proc/sys/kernel/random/boot_id");

/** The boot ids of its guests. */
export const guests = (): Promise<string[]> => Promise.all([bootId("kc1"), bootId("kw1")]);

/** Waits until its VMs run. */
export async function awaitVms(): Promise<void> {
  const units = "microvm@kc1 microvm@kw1";
  await until("the VMs", 60, async () =>
    (await on("hv1", `systemctl is-active ${units} || true`)) === "active\nactive"
      ? true
      : undefined,
  );
}
