/** Facts of a host with VMs in a given state. */
import { openRecord } from "../../provider/ownership";
import { storePath } from "./inputs";
import { urn as urnOf } from "./providerProcess";
import { healthyFacts } from "./scriptedHost";

export interface VmOnHost {
  /** Default: the VM of inputs.ts. */
  name?: string;
  /** The owner. */
  urn?: string;
  phase: "starting" | "switching" | "activating" | "ready";
  runner?: string;
  booted?: string;
  toplevel?: string;
  /** The system that the guest reports. */
  system?: string;
  active?: "active" | "inactive";
  hostKey: string;
}

/** Facts of a host with only this VM. */
export function vmFacts(vm: VmOnHost): string[] {
  return vmsFacts([vm]);
}

export function vmsFacts(vms: readonly VmOnHost[]): string[] {
  return [...healthyFacts().slice(0, -1), ...vms.flatMap(linesOf), "probed"];
}

function linesOf(vm: VmOnHost): string[] {
  const { name = "kc1", phase, active = "active", toplevel = storePath("system") } = vm;
  const { runner = storePath("runner"), urn = urnOf("MicroVm") } = vm;
  const unit = `microvm@${name}.service`;
  const record = openRecord(urn, { running: true, restart: "" });
  return [
    `link\t${name}/current\t${runner}`,
    `link\t${name}/toplevel\t${toplevel}`,
    ...(active === "active" ? [`link\t${name}/booted\t${vm.booted ?? runner}`] : []),
    `active\t${unit}\t${active}`,
    `invocation\t${unit}\tabc`,
    `started\t${unit}\t1`,
    ...(vm.system === undefined ? [] : [`guest-system\t${name}\t2\t${vm.system}`]),
    `hostkey\t${name}\t${vm.hostKey}`,
    `autostart\t${name}`,
    `record\tvms\t${name}\t${record}${phase}"}`,
  ];
}
