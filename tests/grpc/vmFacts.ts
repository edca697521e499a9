/** Facts of a host with the VM of inputs.ts, in what state a test wants it. */
import { openRecord } from "../../provider/ownership";
import { storePath } from "./inputs";
import { urn } from "./providerProcess";
import { healthyFacts } from "./scriptedHost";

export interface VmOnHost {
  phase: "starting" | "switching" | "activating" | "ready";
  runner?: string;
  booted?: string;
  toplevel?: string;
  /** What the guest says it runs. */
  system?: string;
  active?: "active" | "inactive";
  hostKey: string;
}

export function vmFacts(vm: VmOnHost): string[] {
  const { phase, active = "active", toplevel = storePath("system") } = vm;
  const { runner = storePath("runner") } = vm;
  const unit = "microvm@kc1.service";
  return [
    ...healthyFacts().slice(0, -1),
    `link\tkc1/current\t${runner}`,
    `link\tkc1/toplevel\t${toplevel}`,
    ...(active === "active" ? [`link\tkc1/booted\t${vm.booted ?? runner}`] : []),
    `active\t${unit}\t${active}`,
    `invocation\t${unit}\tabc`,
    `started\t${unit}\t1`,
    ...(vm.system === undefined ? [] : [`guest-system\tkc1\t2\t${vm.system}`]),
    `hostkey\tkc1\t${vm.hostKey}`,
    "autostart\tkc1",
    `record\tvms\tkc1\t${openRecord(urn("MicroVm"), { running: true, restart: "" })}${phase}"}`,
    "probed",
  ];
}
