/** Messages to the engine, which shows them next to the resource. stdout is not used. */
import { appendFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { Notice } from "../contract/notices";

export interface Log {
  warning(urn: string, message: string): void;
  info(urn: string, message: string): void;
  /** A status line. The next one replaces it. */
  status(urn: string, message: string): void;
  /** For programs. The engine does not get it. */
  notice(notice: Notice): void;
}

export const silentLog: Log = {
  warning: () => undefined,
  info: () => undefined,
  status: () => undefined,
  notice: () => undefined,
};

/** The log, with its notices in a file. Several provider processes may append to it. */
export function withNotices(log: Log, file: string | undefined): Log {
  if (file === undefined || file === "") return log;
  return {
    ...log,
    notice(notice) {
      try {
        appendFileSync(file, `${JSON.stringify(notice)}\n`);
      } catch (error) {
        const urn = notice.urn;
        log.warning(urn, `no report of this run: can't write ${file}: ${String(error)}`);
      }
    },
  };
}

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
    notice: () => undefined,
  };
}
