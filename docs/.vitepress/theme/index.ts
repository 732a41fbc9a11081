/** VitePress's own theme, with room for the tables that these pages have. */
import DefaultTheme from "vitepress/theme";
import "./tables.css";

export default DefaultTheme;
