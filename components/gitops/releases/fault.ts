/** Why a release of the tree cannot be seeded. Pure. */
import type { TreeObject } from "../tree/objects";
import { shown } from "../tree/objects";
import type { Locate } from "./locate";

export interface Fault {
  object: TreeObject;
  /** Of the key in the object that is at fault. */
  path: string[];
  what: string;
  /** An instruction. */
  remedy: string;
}

/** `gitops/apps/x.yaml:12 HelmRelease a/b: what; remedy` */
export function formatFault(locate: Locate, { object, path, what, remedy }: Fault): string {
  return `${locate(object, ...path)} ${shown(object)}: ${what}; ${remedy}`;
}
