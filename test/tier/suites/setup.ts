/** A setup file of vitest: skips the tests that are left out, and fails each other one that met no server of the tier. */
import { relative } from "node:path";
import { beforeEach } from "vitest";
import { tierUse } from "../../support/test-tier.ts";
import { reasonToLeaveOut } from "./left-out.ts";

beforeEach(({ task, skip }) => {
  const titles = [task.name];
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) titles.push(suite.name);
  const reason = reasonToLeaveOut(relative(process.cwd(), task.file.filepath), titles);
  if (reason !== undefined) skip(reason);
  const meetsTier = tierUse.open > 0;
  const { started } = tierUse;
  return () => {
    if (!meetsTier && tierUse.started === started)
      throw new Error("the test met no server of the tier: left-out.ts is to say why");
  };
});
