/** Compares the facts of a host with the requirements of its site. Pure. */
import type { CheckName } from "../../../contract/names";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { diskShortages, memoryShortage } from "./hypervisorCapacity";
import type { Demand } from "./hypervisorCapacity";

export type Verdict = "ok" | "failed" | "off";

export interface Wishes extends Demand {
  bridge: string;
  nic: string;
}

export interface Finding {
  what: string;
  remedy: string;
}

const MAX_CLOCK_SKEW_SECONDS = 30;
const LOAD_KVM = "On the host: modprobe kvm_intel, or kvm_amd for a CPU of AMD.";

/** The findings of each check. A check without findings has passed. */
export const CHECK: Record<CheckName, (facts: HostFacts, wishes: Wishes) => Finding[]> = {
  kvm: (facts) => [
    ...unless(
      facts.kvm.has("flags"),
      "the CPU shows neither vmx nor svm",
      "Enable virtualization (VT-x, AMD-V) in the host's firmware. If the host is a VM itself, " +
        "enable nested virtualization where it runs.",
    ),
    ...unless(facts.kvm.has("module"), "the kvm module is not loaded", LOAD_KVM),
    ...unless(facts.kvm.has("device"), "/dev/kvm is missing", LOAD_KVM),
  ],
  libvirtd: (facts) => {
    if (facts.libvirtdActive === undefined) return noAnswer("systemctl is-active libvirtd");
    if (facts.libvirtdActive !== "active") {
      return [
        {
          what: `libvirtd is ${facts.libvirtdActive || "not known to systemd"}`,
          remedy:
            "On the host: systemctl start libvirtd. If it has no such unit, import " +
            "nixosModules.virtualization.",
        },
      ];
    }
    return unless(
      facts.libvirtdAnswers,
      "libvirtd does not answer virsh within 10 s",
      "Look at its log on the host: journalctl -u libvirtd",
    );
  },
  bridge: (facts, wishes) => {
    if (facts.bridges === undefined) return noAnswer("ip link");
    const bridge = facts.bridges.get(wishes.bridge);
    if (bridge === undefined) {
      return [
        {
          what: `there is no bridge ${wishes.bridge}`,
          remedy:
            "Enable microvm-bridge in the host's configuration, or correct bridge in the site.",
        },
      ];
    }
    return [
      ...unless(
        bridge.up,
        `${wishes.bridge} is down`,
        `On the host: ip link set ${wishes.bridge} up`,
      ),
      ...unless(
        bridge.ports.includes(wishes.nic),
        `${wishes.nic} is not a port of ${wishes.bridge} ` +
          `(its ports: ${bridge.ports.join(", ") || "none"})`,
        `Correct nic in the site: \`ip -br link\` on the host lists its cards. If it is right, ` +
          `connect it: ip link set ${wishes.nic} master ${wishes.bridge}`,
      ),
    ];
  },
  units: ({ units }) => {
    if (units === undefined) return noAnswer("systemctl list-unit-files");
    return [
      ...[
        "microvm@.service",
        "microvm-tap-interfaces@.service",
        "microvm-virtiofsd@.service",
      ].flatMap((unit) =>
        unless(
          units.get(unit) === "installed",
          `${unit} is not installed`,
          "Import microvm.nixosModules.host.",
        ),
      ),
      ...unless(
        (units.get("pulumi-microvm-autostart.service") ?? "").startsWith("enabled"),
        "pulumi-microvm-autostart.service is not enabled: VMs would not return after a reboot",
        "Import nixosModules.virtualization.",
      ),
    ];
  },
  nix: (facts) => {
    if (facts.nixVersion === "") {
      const remedy = "Install Nix on the host: https://nixos.org/download/";
      return [{ what: "nix can't be run", remedy }];
    }
    return unless(
      facts.nixFlakes,
      "flakes are not enabled in Nix",
      "Add to /etc/nix/nix.conf of the host: experimental-features = nix-command flakes",
    );
  },
  clock: (facts) => {
    const skew = Math.round(Math.abs(facts.clockSeconds - facts.readAtSeconds));
    return unless(
      skew <= MAX_CLOCK_SKEW_SECONDS,
      `the clock is ${skew} s from this machine's`,
      "Start a time service (systemd-timesyncd, chrony) there or here.",
    );
  },
  memory: (facts, wishes) => {
    const what = memoryShortage(facts, wishes);
    if (what === undefined) return [];
    return [{ what, remedy: "Move VMs to another hypervisor, or lower their memory in the site." }];
  },
  disk: (facts, wishes) => {
    if (facts.fileSystems.length === 0) return noAnswer("df");
    const remedy = "Free some space on the host, or lower the size of new volumes in the site.";
    return diskShortages(facts, wishes).map((what) => ({ what, remedy }));
  },
};

/** No answer is not a fact: systemd, for example, does not answer while it re-executes. */
function noAnswer(question: string): Finding[] {
  return [
    {
      what: `${question} did not answer`,
      remedy: "Run up again. If it persists, run that command on the host.",
    },
  ];
}

function unless(right: boolean, what: string, remedy: string): Finding[] {
  return right ? [] : [{ what, remedy }];
}
