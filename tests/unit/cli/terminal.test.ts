/** Progress is told only of what takes more than a second. */
import { processTerminal } from "../../../cli/terminal";

async function written(milliseconds: number): Promise<string> {
  jest.useFakeTimers();
  const lines: string[] = [];
  const spy = jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  try {
    const work = new Promise((done) => setTimeout(done, milliseconds));
    const during = processTerminal().during("looking", () => work);
    await jest.advanceTimersByTimeAsync(milliseconds);
    await during;
    return lines.join("");
  } finally {
    spy.mockRestore();
    jest.useRealTimers();
  }
}

test("nothing of what is quick", async () => {
  expect(await written(900)).toBe("");
});

test("in a log a line after a second, and then every half minute", async () => {
  expect(await written(40_000)).toBe("looking ... 1 s\nlooking ... 31 s\n");
});
