/** Light or dark: as the system has it, or as the person chose. */
import { computed, effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const THEME_KEY = "meshcache-theme";
const system = globalThis.matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", () => {
  isSystemDark.value = system.matches;
});

const stored = localStorage.getItem(THEME_KEY);
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

export const isDark = computed(() =>
  theme.value === "system" ? isSystemDark.value : theme.value === "dark",
);

effect(() => {
  if (theme.value === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(THEME_KEY);
  } else {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(THEME_KEY, theme.value);
  }
});
