/** Messages to the engine, which shows them next to the resource. stdout is not used. */
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

export interface Log {
  warning(urn: string, message: string): void;
  info(urn: string, message: string): void;
  /** A status line. The next one replaces it. */
  status(urn: string, message: string): void;
}

export const silentLog: Log = {
  warning: () => undefined,
  info: () => undefined,
  status: () => undefined,
};

/**
 * Logs each warning and each line of information of a resource once: one pass of the engine may
 * read a resource several times.
 */
export function onceEach(log: Log): Log {
  const said = new Set<string>();
  const isNew = (urn: string, message: string): boolean => {
    const key = JSON.stringify([urn, message]);
    return !said.has(key) && said.add(key).has(key);
  };
  return {
    ...log,
    warning: (urn, message) => isNew(urn, message) && log.warning(urn, message),
    info: (urn, message) => isNew(urn, message) && log.info(urn, message),
  };
}

/** Logs to the engine at `address` (`127.0.0.1:PORT`). Ignores delivery errors. */
export function engineLog(address: string): Log {
  const client = new EngineClient(address, grpc.credentials.createInsecure());
  const send = (severity: LogSeverity, urn: string, message: string, ephemeral: boolean): void => {
    const request = new LogRequest();
    request.setSeverity(severity);
    request.setUrn(urn);
    request.setMessage(message);
    request.setEphemeral(ephemeral);
    client.log(request, () => undefined);
  };
  return {
    warning: (urn, message) => send(LogSeverity.WARNING, urn, message, false),
    info: (urn, message) => send(LogSeverity.INFO, urn, message, false),
    status: (urn, message) => send(LogSeverity.INFO, urn, message, true),
  };
}
