/** The instruments of the client. They are created once a meter provider is registered, perhaps after the client. */
import type { Counter, Histogram, Meter } from "@opentelemetry/api";
import { EVENT, type InstrumentRow, type Observations, observed, recorded } from "./instruments.ts";
import { meterProvider } from "./otel-global.ts";

/** In seconds: from an answer over loopback to a deadline. */
const DURATION_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** In seconds: around the delivery time of an event, and around the lease. */
const STALENESS_BUCKETS = [0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10];

interface RecordedInstruments {
  readonly duration: Histogram;
  readonly staleness: Histogram;
  readonly violations: Counter;
}

type Read = () => Observations;

/** A client whose counters and gauges are observed, at once or when a meter provider is registered. */
interface Observer {
  readonly read: Read;
  readonly clientId: string;
  stop: (() => void) | undefined;
}

export class Measurements {
  readonly #observers = new Set<Observer>();
  readonly #scope: string;
  readonly #caught: (error: unknown) => void;
  #meter: Meter | undefined;
  #instruments: RecordedInstruments | undefined;

  /** `caught` is given what the meter provider throws. */
  constructor(scope: string, caught: (error: unknown) => void) {
    this.#scope = scope;
    this.#caught = caught;
  }

  /** Undefined until a meter provider is registered, and as long as it cannot create the instruments. Never throws. */
  instruments(): RecordedInstruments | undefined {
    return this.#instruments ?? this.#create();
  }

  /** Observes a client. Returns a function that ends it. Neither throws. */
  observe(read: Read, clientId: string): () => void {
    this.instruments();
    const observer: Observer = { read, clientId, stop: undefined };
    this.#observers.add(observer);
    if (this.#meter !== undefined) this.#start(observer, this.#meter);
    return () => {
      this.#observers.delete(observer);
      try {
        observer.stop?.();
      } catch (error) {
        this.#caught(error);
      }
    };
  }

  #create(): RecordedInstruments | undefined {
    try {
      const meter = meterProvider()?.getMeter(this.#scope);
      if (meter === undefined) return undefined;
      this.#instruments = createInstruments(meter);
      this.#meter = meter;
      for (const observer of this.#observers) this.#start(observer, meter);
    } catch (error) {
      this.#caught(error);
    }
    return this.#instruments;
  }

  #start(observer: Observer, meter: Meter): void {
    try {
      observer.stop = observe(meter, observer);
    } catch (error) {
      this.#caught(error);
    }
  }
}

const described = ({ unit, description }: InstrumentRow) => ({ unit, description });

function createInstruments(meter: Meter): RecordedInstruments {
  const { operationDuration, probeStaleness, probeViolations } = recorded;
  return {
    duration: meter.createHistogram(operationDuration.name, {
      ...described(operationDuration),
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    }),
    staleness: meter.createHistogram(probeStaleness.name, {
      ...described(probeStaleness),
      advice: { explicitBucketBoundaries: STALENESS_BUCKETS },
    }),
    violations: meter.createCounter(probeViolations.name, described(probeViolations)),
  };
}

function observe(meter: Meter, { read, clientId }: Observer): () => void {
  const attributes = { "meshcache.client.id": clientId };
  const instruments = Object.entries(observed).map(([name, row]) => ({
    name,
    instrument:
      row.kind === "counter"
        ? meter.createObservableCounter(row.name, described(row))
        : meter.createObservableGauge(row.name, described(row)),
  }));
  const all = instruments.map(({ instrument }) => instrument);
  const callback: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    const values: Readonly<Record<string, number | Readonly<Record<string, number>>>> = read();
    for (const { name, instrument } of instruments) {
      const value = values[name] ?? 0;
      if (typeof value === "number") result.observe(instrument, value, attributes);
      else
        for (const [event, count] of Object.entries(value))
          result.observe(instrument, count, { ...attributes, [EVENT]: event });
    }
  };
  meter.addBatchObservableCallback(callback, all);
  return () => meter.removeBatchObservableCallback(callback, all);
}
