import * as fc from "fast-check";
import { makeRecord, openRecord, ownership } from "../../../provider/ownership";

const urn = "urn:pulumi:lab::pulumi-microvm::microvm:index:MicroVm::kc1";

describe("ownership", () => {
  test("what we wrote is ours, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (restart, running) => {
        expect(ownership(makeRecord(urn, { running, restart }), urn)).toBe("owned");
        expect(ownership(`${openRecord(urn, { restart })}ready"}`, urn)).toBe("owned");
        expect(ownership(`${openRecord(urn, { restart })}ready","bytes":8}`, urn)).toBe("owned");
      }),
    );
  });

  test("any edit is seen, another owner is named", () => {
    const record = makeRecord(urn, { running: true, restart: "" });
    expect(ownership(record.replace("true", "false"), urn)).toBe("altered");
    expect(ownership(record, urn.replace("lab", "prod"))).toBe(`owned by ${urn}`);
    expect(ownership(undefined, urn)).toBe("missing");
    expect(ownership("{", urn)).toBe("altered");
    expect(ownership("null", urn)).toBe("altered");
  });

  test("is one line, whatever it holds", () => {
    expect(makeRecord(urn, { restart: "a\nb" })).not.toContain("\n");
  });
});
