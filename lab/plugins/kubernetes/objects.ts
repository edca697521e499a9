/** What the plugin asks of the API: server-side apply, dry runs, reads and deletions. */
import { isConflict, isNotFound, ApiFailure } from "../../../provider/cluster/kube/failure";
import type { PlainMap } from "../../../provider/wire";
import type { Configuration } from "./config";
import type { Kube, KindPath } from "./kube";
import { identityOf, isForced, without } from "./values";
import type { Identity } from "./values";

const RETRIES = 5;
const FIRST_PAUSE_MS = 1_000;
const POLL_MS = 500;
const APPLY = "application/apply-patch+yaml";
/** Of objects that are made without server-side apply. */
const MANAGER = "pulumi-kubernetes";

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Objects {
  constructor(
    private readonly kube: Kube,
    private readonly config: Pick<Configuration, "enablePatchForce" | "upsertExistingObjects">,
  ) {}

  kind(identity: Identity): Promise<KindPath | undefined> {
    return this.kube.kind(identity);
  }

  /** Undefined: a dry run is not possible yet. */
  async previewCreate(object: PlainMap, manager: string): Promise<PlainMap | undefined> {
    const kind = await this.kind(identityOf(object));
    if (kind === undefined) return undefined;
    try {
      return without(await this.make(kind, object, manager, true), ["status"]);
    } catch (error) {
      // Its namespace does not exist yet, or the object exists already.
      const isAlreadyThere = isConflict(error) && error.reason === "AlreadyExists";
      if (isNotFound(error) || isAlreadyThere) return undefined;
      throw error;
    }
  }

  /** A kind or a namespace may be made beside it: retried as the plugin does. */
  async create(
    object: PlainMap,
    manager: string,
    status: (text: string) => void,
  ): Promise<PlainMap> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.make(await this.requireKind(object), object, manager, false);
      } catch (error) {
        const isMissing = isNotFound(error) || error instanceof NoMatch;
        if (!isMissing || attempt === RETRIES) throw explained(error, manager, object);
        status(`Retry #${attempt}; creation failed: ${String(error)}`);
        await pause(FIRST_PAUSE_MS * 2 ** attempt);
      }
    }
  }

  private make(
    kind: KindPath,
    object: PlainMap,
    manager: string,
    isPreview: boolean,
  ): Promise<PlainMap> {
    const identity = identityOf(object);
    if (this.config.upsertExistingObjects) {
      const isForce = isPreview || this.isForce(identity);
      return this.apply(kind, object, manager, isForce, isPreview);
    }
    const query = `fieldManager=${MANAGER}${isPreview ? "&dryRun=All" : ""}`;
    return this.kube.request("POST", `${kind.collection(identity)}?${query}`, object);
  }

  /** Undefined: there is no such object, or no such kind. */
  async read(object: PlainMap): Promise<PlainMap | undefined> {
    const identity = identityOf(object);
    const kind = await this.kind(identity);
    if (kind === undefined) return undefined;
    try {
      return await this.kube.request("GET", kind.path(identity));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async update(object: PlainMap, manager: string, isPreview: boolean): Promise<PlainMap> {
    const kind = await this.requireKind(object);
    const identity = identityOf(object);
    await this.kube.request("GET", kind.path(identity));
    return this.apply(kind, object, manager, this.isForce(identity), isPreview).catch(
      (error: unknown) => {
        throw explained(error, manager, object);
      },
    );
  }

  /** Waits until the object is gone. */
  async remove(object: PlainMap): Promise<void> {
    const identity = identityOf(object);
    const kind = await this.kind(identity);
    if (kind === undefined) return;
    const body = { propagationPolicy: "Foreground" };
    try {
      await this.kube.request("DELETE", kind.path(identity), body);
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    while ((await this.read(object)) !== undefined) await pause(POLL_MS);
  }

  private apply(
    kind: KindPath,
    object: PlainMap,
    manager: string,
    isForce: boolean,
    isPreview: boolean,
  ): Promise<PlainMap> {
    const query = `fieldManager=${manager}&force=${isForce}${isPreview ? "&dryRun=All" : ""}`;
    return this.kube.request("PATCH", `${kind.path(identityOf(object))}?${query}`, object, APPLY);
  }

  private isForce(identity: Identity): boolean {
    return this.config.enablePatchForce || isForced(identity);
  }

  private async requireKind(object: PlainMap): Promise<KindPath> {
    const identity = identityOf(object);
    const kind = await this.kind(identity);
    if (kind !== undefined) return kind;
    throw new NoMatch(`no matches for kind "${identity.kind}" in version "${identity.apiVersion}"`);
  }
}

class NoMatch extends Error {}

function explained(error: unknown, manager: string, object: PlainMap): Error {
  const { kind, name } = identityOf(object);
  const text = error instanceof Error ? error.message : String(error);
  if (isConflict(error) && error.reason === "Conflict") {
    return new Error(
      "server-side apply field conflict detected, see the documentation of the plugin\n" +
        `The resource managed by field manager "${manager}" had an apply conflict: ${text}`,
    );
  }
  if (error instanceof NoMatch) {
    return new Error(
      `creation of resource with kind ${kind} failed because the Kubernetes API server reported ` +
        "that the apiVersion for this resource does not exist. Verify that any required CRDs " +
        `have been created: ${text}`,
    );
  }
  return error instanceof ApiFailure
    ? new Error(
        `resource ${name} was not successfully created by the Kubernetes API server: ${text}`,
      )
    : new Error(text);
}
