/** The adapters are what Keyv, Apollo, BentoCache and unstorage declare, and so are the applications that use them. */
import { itHasSoundTypes } from "../type-check.ts";

itHasSoundTypes("test/adapters/suites");
