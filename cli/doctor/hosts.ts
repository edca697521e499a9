/** What each hypervisor of a site lacks, by the checks of the provider. */
import { CHECK_NAMES } from "../../contract/names";
import { hostsJson } from "../../components/site";
import { wantsOf } from "../../components/hypervisorHost";
import { parseConfig } from "../../provider/configuration";
import { ProviderError } from "../../provider/errors";
import { HostPool } from "../../provider/hosts/pool";
import { CHECK } from "../../provider/resources/hosts/hypervisorChecks";
import type { HypervisorModel, SiteModel } from "../../site/model";
import { messageOf } from "../errors";
import type { Finding } from "../commands/doctor";
import { stackOption, tryPulumi } from "../state/pulumi";

const READ_SECONDS = 60;

export async function hostFindings(
  directory: string,
  stack: string | undefined,
  model: SiteModel,
): Promise<Finding[]> {
  const key = await tryPulumi(directory, ["config", "get", "sshPrivateKey", ...stackOption(stack)]);
  const pool = new HostPool(
    parseConfig({
      hosts: hostsJson(model.hypervisors),
      agent: model.credentials.agent,
      identityFiles: [...model.credentials.identityFiles],
      // `config get` leaves out the end of the last line, which a key must have.
      ...(key !== undefined && { privateKey: `${key}\n` }),
    }),
  );
  try {
    const all = model.hypervisors.map((hypervisor) => findingsOf(pool, hypervisor, model));
    return (await Promise.all(all)).flat();
  } finally {
    pool.close();
  }
}

async function findingsOf(
  pool: HostPool,
  hypervisor: HypervisorModel,
  model: SiteModel,
): Promise<Finding[]> {
  const { name, bridge, nic, checks } = hypervisor;
  if (pool.closed(name) !== undefined) return [];
  try {
    const facts = await pool.get(name).read({
      urn: name,
      deadline: Date.now() + READ_SECONDS * 1000,
      workSeconds: READ_SECONDS,
      signal: new AbortController().signal,
      status: () => undefined,
    });
    const own = model.vms.filter((vm) => vm.hypervisor === name).map(wantsOf);
    return CHECK_NAMES.filter((check) => checks[check] !== "off").flatMap((check) =>
      CHECK[check](facts, { bridge, nic, own, others: [] }).map(({ what, remedy }) => {
        return { where: name, what: `${check}: ${what}`, remedy };
      }),
    );
  } catch (error) {
    if (!(error instanceof ProviderError)) {
      return [{ where: name, what: messageOf(error), remedy: "Look at its network and its logs." }];
    }
    return [{ where: name, what: error.what, remedy: error.remedy ?? "Look at the host." }];
  }
}
