/** Dates of HTTP (RFC 9110, 5.6.7): the form that is sent, and the two old ones that are still to be read. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TIME = "(\\d{2}):(\\d{2}):(\\d{2})";
const MONTH = `(${MONTHS.join("|")})`;
const IMF = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${MONTH} (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d{2})-${MONTH}-(\\d{2}) ${TIME} GMT$`,
);
const ASCTIME = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`);

/** Milliseconds since 1970; undefined for what is no date. `nowMs` tells the century of a year with two digits. */
export function parseHttpDate(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const imf = IMF.exec(text);
  if (imf !== null) return toMs(imf[3], imf[2], imf[1], imf.slice(4));
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) return toMs(asctime[6], asctime[1], asctime[2], asctime.slice(3, 6));
  const old = RFC_850.exec(text);
  if (old === null) return undefined;
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(old[3]);
  // What would be more than 50 years ahead is of the past.
  return toMs(String(year > thisYear + 50 ? year - 100 : year), old[2], old[1], old.slice(4));
}

function toMs(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | undefined {
  const [hour, minute, second] = time.map(Number);
  const days = Number(day);
  const ms = Date.UTC(Number(year), MONTHS.indexOf(month ?? ""), days, hour, minute, second);
  // The 31st of a month that has 30 days, and 25 o'clock, are no dates.
  const isReal = new Date(ms).getUTCDate() === days && (hour ?? 24) < 24 && (minute ?? 60) < 60;
  return isReal && (second ?? 61) <= 60 ? ms : undefined;
}
