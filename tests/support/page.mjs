// A page without a browser: evaluates what comes in on each line, {"id", "code"}, and writes {"id", "value" | "error"}.

import { createInterface } from 'node:readline';

const write = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

process.on('unhandledRejection', (error) => { write({ unhandled: String(error) }); });

for await (const line of createInterface({ input: process.stdin })) {
  const { id, code } = JSON.parse(line);
  // Not awaited here: a question must not keep the next one from being heard.
  Promise.resolve().then(() => (0, eval)(code)()).then(
    (value) => write({ id, value }),
    (error) => write({ id, error: String(error?.stack ?? error) }),
  );
}
