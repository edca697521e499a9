/** The context that lifecycle.ts passes to a resource, without hosts. */
import { configSchema } from "../../../provider/hosts/transport/config";
import { HostPool } from "../../../provider/hosts/pool";
import { silentLog } from "../../../provider/log";
import type { Log } from "../../../provider/log";
import type { Context } from "../../../provider/resource";

export function contextOf(urn: string, log: Partial<Log> = {}, maintenance = false): Context {
  const h = {
    address: "192.0.2.1",
    port: 22,
    user: "root",
    hostKey: "ssh-ed25519 AAAA",
    maintenance,
  };
  return {
    urn,
    deadline: Date.now() + 60_000,
    workSeconds: 30,
    signal: new AbortController().signal,
    status: () => undefined,
    pool: new HostPool(configSchema.parse({ hosts: { h }, agent: false })),
    log: { ...silentLog, ...log },
  };
}
