/**
 * Replacement of the official plugin `kubernetes` 4.34.2, for machines that cannot download it.
 * Only the lab uses it. It implements raw resources by server-side apply after the official source
 * (provider/pkg/provider/provider.go): the provider's replacement rules with clusterIdentifier,
 * Check, Diff, Create, Read, Update and Delete, previews by dry runs, secrets, field managers,
 * conflicts, and an API that is unreachable with and without skipUpdateUnreachable and
 * deleteUnreachable.
 *
 * Not implemented: Charts, Helm releases, ConfigGroups, invokes, lists, imports, YAML rendering,
 * client-side apply, generated names, generateName, `stringData` (rejected), waiting for objects to
 * become ready, checks against the OpenAPI schema, patch resources, and the properties of other
 * kinds than Secret and ConfigMap whose change replaces the object.
 */
import * as grpc from "@grpc/grpc-js";
import { engineLog, silentLog } from "../../../provider/log";
import { SERVICE } from "../../../provider/messages";
import { KubernetesProvider } from "./provider";

function main(): void {
  const engine = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const log = engine === undefined ? silentLog : engineLog(engine);
  const server = new grpc.Server();
  server.addService(SERVICE, new KubernetesProvider(log).service());
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
  });
  const stop = (): void => process.exit(0);
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

main();
