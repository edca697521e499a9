/**
 * The HTTP API of GitHub, Gitea and Forgejo, as far as all three have it. Paths and fields are
 * those of GitHub's REST API ("Issue comments", "Issues"), which Gitea and Forgejo document with
 * the same names under /api/v1. They differ in paging: GitHub and most lists of Gitea name the next
 * page in the header Link; Gitea's comments of one issue come in one answer without that header.
 */
import { z } from "zod";
import { CliError, EXIT, messageOf } from "../errors";

export interface ForgeOptions {
  /** $GITHUB_API_URL. */
  apiUrl: string;
  /** OWNER/NAME. */
  repository: string;
  token: string;
  /** Whose comments and issues are ours. Undefined: the account of the token. */
  account: string | undefined;
  /** The account of the token, for answers where the API does not tell: of an Actions token. */
  fallbackAccount: string;
}

/** The API refused a request. */
export class ForgeError extends CliError {
  constructor(
    readonly status: number,
    what: string,
    remedy?: string,
  ) {
    super(what, EXIT.failed, remedy);
  }
}

const TIMEOUT_MS = 30_000;
const ATTEMPTS = 3;
const RETRY_MS = 1_000;
/** An issue with more comments than this has another problem. */
const MOST_PAGES = 200;

interface Answer {
  body: unknown;
  next: string | undefined;
}

export class Forge {
  private readonly api: string;

  constructor(private readonly options: ForgeOptions) {
    this.api = options.apiUrl.replace(/\/+$/, "");
  }

  /** The login of the account whose comments and issues are ours. */
  async account(): Promise<string> {
    if (this.options.account !== undefined) return this.options.account;
    try {
      return z.object({ login: z.string() }).parse(await this.get("/user")).login;
    } catch (error) {
      // GitHub does not tell the token of a workflow whose it is.
      const isHidden = error instanceof ForgeError && [403, 404].includes(error.status);
      if (isHidden && this.options.fallbackAccount !== "") return this.options.fallbackAccount;
      throw error;
    }
  }

  /** A path of the repository: `/issues/1`. */
  inRepository(path: string): string {
    const [owner = "", name = ""] = this.options.repository.split("/");
    return `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}${path}`;
  }

  async get(path: string): Promise<unknown> {
    return (await this.retried("GET", `${this.api}${path}`)).body;
  }

  /** Not repeated: the first request may have made it. */
  async post(path: string, body: object): Promise<unknown> {
    return (await this.request("POST", `${this.api}${path}`, body)).body;
  }

  async patch(path: string, body: object): Promise<unknown> {
    return (await this.retried("PATCH", `${this.api}${path}`, body)).body;
  }

  /** All items of all pages. */
  async list<T>(path: string, item: z.ZodType<T>): Promise<T[]> {
    const items: T[] = [];
    // GitHub and Gitea name the size of a page differently. Each ignores the other's name.
    let url: string | undefined = withQuery(`${this.api}${path}`, { per_page: "100", limit: "50" });
    for (let page = 0; url !== undefined && page < MOST_PAGES; page += 1) {
      const answer: Answer = await this.retried("GET", url);
      items.push(...z.array(item).parse(answer.body ?? []));
      url = this.ownUrl(answer.next);
    }
    return items;
  }

  /** The token goes nowhere else, whatever a header says. */
  private ownUrl(next: string | undefined): string | undefined {
    if (next === undefined) return undefined;
    const url = new URL(next, this.api);
    if (url.origin === new URL(this.api).origin) return url.href;
    // Behind a proxy the server may know itself under another name.
    const [here, path] = [new URL(this.api), url];
    return `${here.origin}${path.pathname}${path.search}`;
  }

  private async retried(method: string, url: string, body?: object): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.request(method, url, body);
      } catch (error) {
        const isTransient =
          error instanceof ForgeError && (error.status >= 500 || error.status === 0);
        if (!isTransient || attempt === ATTEMPTS) throw error;
        await new Promise((wake) => setTimeout(wake, RETRY_MS * attempt));
      }
    }
  }

  private async request(method: string, url: string, body?: object): Promise<Answer> {
    const what = `${method} ${new URL(url).pathname}`;
    const response = await this.send(method, url, body).catch((error: unknown) => {
      throw new ForgeError(0, `${what}: no answer from ${this.api}: ${causeOf(error)}`);
    });
    const text = await response.text();
    if (!response.ok) {
      const why = messageIn(text);
      throw new ForgeError(
        response.status,
        `${what}: ${response.status}${why === "" ? "" : `: ${why}`}`,
        REMEDY[response.status],
      );
    }
    return { body: parsed(text), next: nextPage(response.headers.get("link")) };
  }

  private send(method: string, url: string, body: object | undefined): Promise<Response> {
    return fetch(url, {
      method,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${this.options.token}`,
        "user-agent": "pulumi-microvm",
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }
}

const REMEDY: Readonly<Record<number, string>> = {
  401: "The token is invalid or expired: pass the workflow's own as GITHUB_TOKEN.",
  403: "Give the job permissions: pull-requests: write, and issues: write for drift.",
  404: "Check GITHUB_REPOSITORY, and that the token may read the repository.",
};

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? cause.message : messageOf(error);
}

function messageIn(text: string): string {
  const found = z.object({ message: z.string() }).safeParse(parsed(text));
  return found.success ? found.data.message : "";
}

function parsed(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withQuery(url: string, more: Record<string, string>): string {
  const full = new URL(url);
  for (const [name, value] of Object.entries(more)) full.searchParams.set(name, value);
  return full.href;
}

/** `<URL>; rel="next", ...` (RFC 8288). */
function nextPage(header: string | null): string | undefined {
  for (const [, url, parameters = ""] of (header ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    if (/;\s*rel="?next"?(\s|;|,|$)/.test(parameters)) return url;
  }
  return undefined;
}
