/** The documents of a YAML stream. Passes without changes read none, so `yaml` is loaded late. */
export async function yamlDocuments(text: string): Promise<unknown[]> {
  const { parseAllDocuments } = await import("yaml");
  return parseAllDocuments(text).map((document) => {
    const value: unknown = document.toJS();
    return value;
  });
}
