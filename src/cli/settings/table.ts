/** The settings as text: a Markdown table for the documents, and a YAML file with the source of each value. */
import { stringify } from "yaml";
import type { ResolvedSettings } from "./conflicts.ts";
import { toQuantity } from "./quantity.ts";
import type { SettingInfo } from "./setting.ts";
import { infoOf, SETTING_NAMES, type SettingName } from "./settings.ts";

function initialText({ initial, unit }: SettingInfo): string {
  if (typeof initial === "object") return initial.words;
  return typeof initial === "string" ? `\`${initial}\`` : toQuantity(initial, unit);
}

/** A Markdown table of all settings. `npm run docs:tables` writes it into docs/configuration.md. */
export function toMarkdownTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const info = infoOf(name);
    return `| \`${name}\` | ${initialText(info)} | ${info.bound} | ${info.description} |`;
  });
  return ["| setting | default | range | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

/** The value of a setting as a file for `--config` has it. */
export function textOfSetting({ values }: ResolvedSettings, name: SettingName): string {
  const value = values[name];
  return typeof value === "object" ? JSON.stringify(value) : stringify(value).trimEnd();
}

/** A YAML file for `--config` that gives the same settings. The source of each value is a comment beside it. */
export function toYaml(settings: ResolvedSettings): string {
  const { originOf } = settings;
  const textOf = (name: SettingName): string => `${name}: ${textOfSetting(settings, name)}`;
  const width = SETTING_NAMES.reduce((longest, name) => Math.max(longest, textOf(name).length), 0);
  let group = "";
  const lines: string[] = [];
  for (const name of SETTING_NAMES) {
    const info = infoOf(name);
    if (info.group !== group) lines.push(...(group === "" ? [] : [""]), `# ${info.group}`);
    group = info.group;
    lines.push(`${textOf(name).padEnd(width + 2)}# ${originOf(name)}`);
  }
  return lines.join("\n");
}
