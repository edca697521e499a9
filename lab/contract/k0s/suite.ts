/**
 * What the provider relies on of k0s, with three controllers. Each is in network, mount, host name
 * and PID namespaces of its own.
 */
import { ensureK0s } from "../../kubernetes/ensure";
import { join } from "node:path";
import type { Record } from "../record";
import type { Report } from "../report";
import { configOf, type Cluster } from "./cluster";
import { joining, killing, restarting } from "./joining";
import { dying, handingOver, leaving, removing } from "./leaving";
import { REAL, STAND_IN, STAND_IN_ENVIRONMENT } from "./limits";
import { Machine, type Subject } from "./machine";
import { Network, addressOf } from "./network";
import { beforeTheStart, founding, kubeconfigs, tokens } from "./single";
import { working } from "./working";

export interface SuiteOptions {
  /** Default: the lab's stand-in. */
  binary?: string;
  /** Programs that the binary does not contain. */
  binDirectory?: string;
}

export async function k0sSuite(
  report: Report,
  record: Record,
  options: SuiteOptions,
): Promise<void> {
  const real = options.binary !== undefined;
  const subject = await subjectOf(options);
  const network = await Network.create(record);
  const machine = async (name: string, number: number): Promise<Machine> => {
    const address = addressOf(number);
    const namespace = await network.connect(name, address);
    const made = new Machine({ record, subject, name, address, namespace });
    made.write("abc-k0s.yaml", configOf(made));
    await made.boot();
    return made;
  };
  const cluster: Cluster = {
    k1: await machine("k1", 1),
    k2: await machine("k2", 2),
    k3: await machine("k3", 3),
    limits: real ? REAL : STAND_IN,
  };
  await beforeTheStart(report, cluster);
  await founding(report, cluster);
  await tokens(report, cluster);
  await kubeconfigs(report, cluster);
  await joining(report, cluster);
  await restarting(report, cluster);
  await leaving(report, cluster);
  await killing(report, cluster);
  if (!real) await working(report, cluster, await machine("w1", 4));
  const lost = await dying(report, cluster);
  await removing(report, cluster, lost);
  await handingOver(report, cluster, [cluster.k1, lost === cluster.k2 ? cluster.k3 : cluster.k2]);
}

async function subjectOf({ binary, binDirectory }: SuiteOptions): Promise<Subject> {
  if (binary !== undefined) return { binary, binDirectory, environment: {} };
  const directory = binDirectory ?? (await ensureK0s());
  return {
    binary: join(directory, "k0s"),
    binDirectory: directory,
    environment: STAND_IN_ENVIRONMENT,
  };
}
