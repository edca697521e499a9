/** The configuration of the plugin's provider resource: read, and compared. Pure. */
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { containsUnknown, equal, reveal } from "../../../provider/wire";
import type { ValueMap } from "../../../provider/wire";
import { targetOf } from "./kube";
import { textIn } from "./values";
import type { Target } from "./kube";

export interface Configuration {
  skipUpdateUnreachable: boolean;
  deleteUnreachable: boolean;
  enableSecretMutable: boolean;
  enableConfigMapMutable: boolean;
  enablePatchForce: boolean;
  upsertExistingObjects: boolean;
  timeoutSeconds: number;
  /** The kubeconfig, or why there is none. */
  target: Target | Error;
}

/** Of the official plugin's client. */
const TIMEOUT_SECONDS = 32;

export function configurationOf(inputs: ValueMap): Configuration {
  const values = reveal(inputs);
  const isOn = (key: string): boolean => [true, "true"].some((on) => values[key] === on);
  if (values["enableServerSideApply"] !== undefined && !isOn("enableServerSideApply")) {
    throw new Error("the lab's stand-in has only server-side apply");
  }
  return {
    skipUpdateUnreachable: isOn("skipUpdateUnreachable"),
    deleteUnreachable: isOn("deleteUnreachable"),
    enableSecretMutable: isOn("enableSecretMutable"),
    enableConfigMapMutable: isOn("enableConfigMapMutable"),
    enablePatchForce: isOn("enablePatchForce"),
    upsertExistingObjects: isOn("upsertExistingObjects"),
    timeoutSeconds: timeoutOf(values["kubeClientSettings"]),
    target: target(textIn(values, "kubeconfig")),
  };
}

function timeoutOf(settings: unknown): number {
  const parsed: unknown = typeof settings === "string" ? JSON.parse(settings) : settings;
  const hasTimeout = typeof parsed === "object" && parsed !== null && "timeout" in parsed;
  return hasTimeout && typeof parsed.timeout === "number" ? parsed.timeout : TIMEOUT_SECONDS;
}

function target(kubeconfig: string): Target | Error {
  try {
    return targetOf(kubeconfig);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const IDENTIFIER = "clusterIdentifier";

/**
 * With the same identifier, nothing replaces the provider. Without one, a kubeconfig for another
 * cluster does, and one that is not known.
 */
export function diffConfig(olds: ValueMap, news: ValueMap): pb.DiffResponse {
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
  const diffs = keys.filter((key) => !equal(olds[key], news[key]));
  const response = new pb.DiffResponse();
  if (diffs.length === 0) {
    response.setChanges(pb.DiffResponse.DiffChanges.DIFF_NONE);
    return response;
  }
  response.setChanges(pb.DiffResponse.DiffChanges.DIFF_SOME);
  response.setDiffsList(diffs);
  response.setReplacesList(replacesOf(olds, news, diffs));
  return response;
}

function replacesOf(olds: ValueMap, news: ValueMap, diffs: readonly string[]): string[] {
  const [before, after] = [olds[IDENTIFIER], news[IDENTIFIER]];
  if (after !== undefined && equal(before, after)) return [];
  const isUpdated = before !== undefined && after !== undefined;
  const replaces = isUpdated ? [IDENTIFIER] : [];
  const unknown = ["kubeconfig", "context", "cluster"].find((key) => containsUnknown(news[key]));
  if (unknown !== undefined) return [...replaces, unknown];
  if (!diffs.includes("kubeconfig") || isSameCluster(olds, news)) return replaces;
  return [...replaces, "kubeconfig"];
}

function isSameCluster(olds: ValueMap, news: ValueMap): boolean {
  const [before, after] = [olds, news].map((map) => target(textIn(reveal(map), "kubeconfig")));
  if (before === undefined || after === undefined) return true;
  if (before instanceof Error || after instanceof Error) return true;
  return before.server === after.server && before.ca === after.ca;
}
