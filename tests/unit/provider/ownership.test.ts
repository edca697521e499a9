import * as fc from "fast-check";
import { makeRecord, openRecord, ownership, urnUnder } from "../../../provider/ownership";

const urn = "urn:pulumi:lab::pulumi-microvm::microvm:index:MicroVm::kc1";

describe("ownership", () => {
  test("that we wrote is ours, with any content", () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (restart, running) => {
        expect(ownership(makeRecord(urn, { running, restart }), { urn })).toBe("owned");
        expect(ownership(`${openRecord(urn, { restart })}ready"}`, { urn })).toBe("owned");
        expect(ownership(`${openRecord(urn, { restart })}ready","bytes":8}`, { urn })).toBe(
          "owned",
        );
      }),
    );
  });

  test("that was edited is detected, and another owner is named", () => {
    const record = makeRecord(urn, { running: true, restart: "" });
    expect(ownership(record.replace("true", "false"), { urn })).toBe("altered");
    expect(ownership(record, { urn: urn.replace("lab", "prod") })).toBe(`owned by ${urn}`);
    expect(ownership(undefined, { urn })).toBe("missing");
    expect(ownership("{", { urn })).toBe("altered");
    expect(ownership("null", { urn })).toBe("altered");
  });

  test("with the former name is ours, and must be written again", () => {
    const formerUrn = urnUnder(urn, "kc0");
    expect(formerUrn).toBe("urn:pulumi:lab::pulumi-microvm::microvm:index:MicroVm::kc0");
    const record = makeRecord(formerUrn, { restart: "" });
    expect(ownership(record, { urn, formerUrn })).toBe("renamed");
    expect(ownership(record, { urn })).toBe(`owned by ${formerUrn}`);
    const others = { urn: urn.replace("lab", "prod"), formerUrn: formerUrn.replace("lab", "prod") };
    expect(ownership(record, others)).toBe(`owned by ${formerUrn}`);
    expect(ownership(makeRecord(urn, {}), { urn, formerUrn })).toBe("owned");
  });

  test("is one line, with any content", () => {
    expect(makeRecord(urn, { restart: "a\nb" })).not.toContain("\n");
  });
});
