/** A bridge in a namespace of its own, to which the machines of the suite are connected. */
import { run } from "../../command";
import type { Record } from "../record";

/** Of RFC 2544, for tests. It is used in these namespaces only. */
const NETWORK = "198.18.50";
const PREFIX_LENGTH = 24;

export const addressOf = (number: number): string => `${NETWORK}.${10 + number}`;

export class Network {
  private constructor(
    private readonly record: Record,
    private readonly bridge: string,
  ) {}

  static async create(record: Record): Promise<Network> {
    const network = new Network(record, `pmvc-${record.id}-net`);
    await network.namespace(network.bridge);
    await ip(network.bridge, "link add fabric type bridge forward_delay 0");
    await ip(network.bridge, "link set fabric up");
    return network;
  }

  /** Returns the name of the network namespace of a new machine. */
  async connect(name: string, address: string): Promise<string> {
    const namespace = `pmvc-${this.record.id}-${name}`;
    await this.namespace(namespace);
    await ip(this.bridge, `link add ${name} type veth peer name eth0 netns ${namespace}`);
    await ip(this.bridge, `link set ${name} master fabric up`);
    await ip(namespace, `addr add ${address}/${PREFIX_LENGTH} dev eth0`);
    await ip(namespace, "link set eth0 up");
    // etcd and the API server look up the default route.
    await ip(namespace, `route add default via ${NETWORK}.1`);
    return namespace;
  }

  private async namespace(name: string): Promise<void> {
    this.record.namespace(name);
    await run(["ip", "netns", "add", name]);
    await ip(name, "link set lo up");
  }
}

function ip(namespace: string, words: string): Promise<string> {
  return run(["ip", "-n", namespace, ...words.split(" ")]);
}
