/** The API of a cluster in memory: objects by path, merge patches, applies, lists by label. */
import type { ApiAnswer, ApiRequest } from "../../../../provider/cluster/kube/connection";
import { failureOf } from "../../../../provider/cluster/kube/failure";
import { ObjectClient } from "../../../../provider/cluster/kube/objectClient";
import type { ObjectApi } from "../../../../provider/cluster/kube/objectClient";
import type { Limits } from "../../../../provider/hosts/wait/wait";

export class FakeApi {
  readonly config = { name: "production" };
  readonly objects_ = new Map<string, object>();
  readonly requests: string[] = [];
  readonly bodies: unknown[] = [];
  /** Called before each answer, to change the objects. */
  before: (request: ApiRequest) => void = () => undefined;

  objects(call: Limits): ObjectApi {
    return new ObjectClient(this, call);
  }

  set(path: string, object: object): void {
    this.objects_.set(path, object);
  }

  async request(_call: object, request: ApiRequest): Promise<ApiAnswer> {
    await Promise.resolve();
    const [path = ""] = request.path.split("?");
    this.requests.push(`${request.method} ${request.path}`);
    this.before(request);
    if (request.method === "PATCH") {
      this.bodies.push(JSON.parse(request.body ?? "{}"));
      if (request.path.includes("fieldManager=kubectl")) return answerOf({});
    }
    const found = this.objects_.get(path);
    if (found !== undefined) return answerOf(found);
    const inside = [...this.objects_].filter(([one]) => one.startsWith(`${path}/`));
    if (inside.length > 0) return answerOf({ items: inside.map(([, object]) => object) });
    throw failureOf(404, JSON.stringify({ reason: "NotFound", message: `${path} not found` }));
  }
}

const answerOf = (body: object): ApiAnswer => ({
  status: 200,
  headers: {},
  body: JSON.stringify(body),
});
