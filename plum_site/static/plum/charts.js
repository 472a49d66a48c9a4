'use strict';
// Draws every figure that the server put on the page, in the colours of the theme, again whenever the theme changes.
{
    const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

    const axis = (given) => ({
        gridcolor: style('--hairline-color'), linecolor: style('--border-color'), zerolinecolor: style('--border-color'),
        automargin: true, fixedrange: true, ...given,
    });

    const draw = (place) => {
        const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
        const layout = { ...figure.layout };
        delete layout.template;
        if (layout.height) place.style.height = `${layout.height}px`;
        Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key)).forEach((key) => { layout[key] = axis(layout[key]); });
        const data = figure.data.map((trace) => {
            const tone = trace.meta && trace.meta.tone ? style(`--plum-chart-${trace.meta.tone}`) : '';
            return tone ? { ...trace, marker: { ...trace.marker, color: tone }, line: { ...trace.line, color: tone } } : trace;
        });
        Plotly.react(place, data, {
            ...layout,
            xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
            paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
            font: { family: style('--font-family-primary') || 'sans-serif', size: 12, color: style('--body-fg') },
            hoverlabel: { bgcolor: style('--darkened-bg'), font: { color: style('--body-fg') } },
            legend: { orientation: 'h', y: -0.18, ...layout.legend },
            margin: { t: 10, r: 16, b: 40, l: 56, ...layout.margin },
        }, { responsive: true, displayModeBar: false });
    };

    const drawAll = () => document.querySelectorAll('.plum-plot').forEach(draw);
    drawAll();
    // A part of the page that was put in later tells so.
    document.addEventListener('plum:drawn', (event) => event.target.querySelectorAll('.plum-plot').forEach(draw));
    new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
}
