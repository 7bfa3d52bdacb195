"use strict";
// Calls a second. The time axis is the last two minutes, whatever is known of them, in the reader's
// time zone. The colours come from the style sheet.

class Chart {
  static SECONDS = 120;
  static CLOCK = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });

  static label(time) {
    return Chart.CLOCK.format(time * 1000);
  }

  constructor(place) {
    this.place = place;
    this.times = [];
    this.calls = [];
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.resize()).observe(place);
    this.draw();
    // The axis moves on when nothing arrives, too.
    setInterval(() => this.show(), 1000);
  }

  // The time is the reader's: the clock of the host may differ.
  add(calls) {
    this.times.push(Date.now() / 1000);
    this.calls.push(calls);
    this.show();
  }

  // After a lost connection the line starts again: nothing is known of the time between.
  gap() {
    if (this.calls.length && this.calls.at(-1) !== null) this.add(null);
  }

  most() {
    return this.calls.reduce((most, each) => Math.max(most, each ?? 0), 0);
  }

  range() {
    const now = Date.now() / 1000;
    return [now - Chart.SECONDS, now];
  }

  show() {
    const [first] = this.range();
    // One older point stays, from which the line enters at the left.
    while (this.times.length > 1 && this.times[1] < first) {
      this.times.shift();
      this.calls.shift();
    }
    this.plot.setData([this.times, this.calls]);
  }

  size() {
    return { width: Math.max(this.place.clientWidth, 200), height: 180 };
  }

  resize() {
    this.plot.setSize(this.size());
  }

  draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false },
    };
    const times = {
      ...axis, incrs: [30, 60], space: 70, values: (_plot, splits) => splits.map(Chart.label),
    };
    if (this.plot) this.plot.destroy();
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => this.range() },
        y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] },
      },
      axes: [times, { ...axis, size: 56 }],
      series: [{}, { stroke: colour("--accent"), width: 2, points: { show: false } }],
    }, [this.times, this.calls], this.place);
  }
}
