"use strict";
// Calls a second, over the last two minutes. The colours are those of the style sheet.

class Chart {
  static LENGTH = 120;

  constructor(place) {
    this.place = place;
    this.times = [];
    this.calls = [];
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.resize()).observe(place);
    this.draw();
  }

  add(time, calls) {
    this.times.push(time);
    this.calls.push(calls);
    if (this.times.length > Chart.LENGTH) {
      this.times.shift();
      this.calls.shift();
    }
    this.plot.setData([this.times, this.calls]);
  }

  // One that is broken off begins anew: there is nothing known of the time between.
  gap() {
    if (this.times.length && this.calls[this.calls.length - 1] !== null) {
      this.add(this.times[this.times.length - 1] + 0.001, null);
    }
  }

  most() {
    return this.calls.reduce((most, each) => Math.max(most, each ?? 0), 0);
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
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
    if (this.plot) this.plot.destroy();
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [axis, { ...axis, size: 56 }],
      series: [{}, { stroke: colour("--accent"), width: 2, points: { show: false } }],
    }, [this.times, this.calls], this.place);
  }
}
