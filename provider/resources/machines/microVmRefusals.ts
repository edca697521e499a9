/** The blockers of a `MicroVm` and of its import. */
import type { Effect } from "../../../contract/effects";
import { ProviderError } from "../../errors";
import type { VmFact } from "../../hosts/facts/hostFacts";
import { refuseOthers } from "../../ownership";
import type { Context } from "../../resource";
import { refuseTarget } from "./memory";
import { nameOnHost, runsInstalled } from "./microVmState";
import type { Inputs, State } from "./microVmState";
import { decide, tellsTarget } from "./microVmUpdate";
import { refuseElsewhere, refuseRename, refuseUnrecorded } from "./vmRename";

/** Throws if the VM cannot be changed, so that a preview reports it. */
export async function refuse(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
  recorded: State | undefined,
): Promise<void> {
  const facts = await context.pool.get(wanted.host).read(context);
  refuseRename(facts, wanted, context.urn);
  refuseElsewhere(nameOnHost(facts, wanted, context), wanted);
  if (observed !== undefined) {
    refuseForeign(wanted, observed, recorded);
    if (tellsTarget(wanted, observed)) refuseTarget(wanted, facts.vms.get(wanted.name));
  } else if (recorded !== undefined) {
    refuseUnrecorded(facts, wanted, context.urn);
  }
  await refuseWithoutShares(context, wanted, observed);
}

function refuseForeign(wanted: Inputs, observed: State, recorded: State | undefined): void {
  const what = `${wanted.host}: VM ${wanted.name}`;
  refuseOthers(observed.ownership, what);
  if (observed.ownership === "missing" && recorded === undefined) {
    throw new ProviderError(
      "foreign",
      `${what} exists, and no stack recorded making it; nothing was changed`,
      "To adopt it, set import: true on the VM. Otherwise give this VM another name.",
    );
  }
}

const STARTS: readonly Effect[] = ["start", "restart"];

/** A VM with a share whose directory is missing does not start. So it is not stopped either. */
async function refuseWithoutShares(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
): Promise<void> {
  if (!STARTS.includes(decide(wanted, observed).effect)) return;
  const directories = context.pool.directories(wanted.host);
  const missing = await directories.missing(context, wanted.shareSources);
  if (missing.length === 0) return;
  throw new ProviderError(
    "operation",
    `${wanted.host}: VM ${wanted.name} shares ${missing.join(", ")}, ` +
      "and the host has no such directory; nothing was changed",
    `Create it on ${wanted.host}: mkdir -p ${missing.join(" ")}. Or correct the share's source ` +
      "in the site.",
  );
}

/** A VM that the next update would have to stop is not imported. */
export function requireImportable(vm: VmFact, id: string): void {
  const installed = runsInstalled(vm, vm.current ?? "", vm.toplevel ?? vm.system ?? "");
  if (vm.active === "active" && vm.booted !== vm.current && !installed) {
    throw new ProviderError(
      "foreign",
      `${id} runs ${vm.booted ?? "an unknown runner"}, ` +
        `but ${vm.current ?? "nothing"} is installed: it can't be imported as it is`,
      "Restart the VM first, so that it runs the installed runner.",
    );
  }
  if (vm.toplevel === undefined && vm.system === undefined) {
    throw new ProviderError(
      "foreign",
      `${id}: its runner does not name the guest's system (share/microvm/system)`,
      "Set microvm.systemSymlink = true for it, and install it again.",
    );
  }
}
