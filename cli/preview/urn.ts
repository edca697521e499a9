/** Parts of a URN: `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`. Pure. */

export interface UrnParts {
  stack: string;
  project: string;
  /** Without the types of its parents. */
  type: string;
  name: string;
}

export function parseUrn(urn: string): UrnParts {
  const [head = "", project = "", types = "", ...name] = urn.split("::");
  return {
    stack: head.replace(/^urn:pulumi:/, ""),
    project,
    type: types.split("$").pop() ?? "",
    name: name.join("::"),
  };
}

const OWN = "microvm:index:";
const COMPONENTS = "pulumi-microvm:components:";

/** A group of resources. It is nothing real. */
export const isComponent = (urn: string): boolean => parseUrn(urn).type.startsWith(COMPONENTS);

/**
 * `MicroVm kw1`, `component MicroVm kw1`. Types of other packages keep their full name. Empty for
 * no URN.
 */
export function shortName(urn: string): string {
  if (urn === "") return "";
  const { type, name } = parseUrn(urn);
  if (type.startsWith(OWN)) return `${type.slice(OWN.length)} ${name}`;
  return isComponent(urn)
    ? `component ${type.slice(COMPONENTS.length)} ${name}`
    : `${type} ${name}`;
}
