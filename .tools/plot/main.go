// Program plot draws the chart of the fleet simulation: CSV on standard input, SVG on standard output. The first column is
// the time in minutes; then every fleet has two, its backend calls a second and its share of jobs served.
package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"os"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colours can be told apart by people who don't see them all.
var colours = []color.Color{
	color.RGBA{R: 0xd5, G: 0x5e, A: 0xff},
	color.RGBA{R: 0xe6, G: 0x9f, A: 0xff},
	color.RGBA{G: 0x72, B: 0xb2, A: 0xff},
}

func main() {
	if err := drawChart(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "draw the chart:", err)
		os.Exit(1)
	}
}

func drawChart(from io.Reader, to io.Writer) error {
	rows, err := csv.NewReader(from).ReadAll()
	if err != nil {
		return err
	}
	calls, served := plot.New(), plot.New()
	calls.Title.Text, calls.Y.Label.Text = "Backend calls", "calls a second"
	served.Title.Text, served.Y.Label.Text = "Jobs served", "% of jobs"
	for column := 1; column < len(rows[0]); column += 2 {
		name, _, _ := strings.Cut(rows[0][column], ":")
		for offset, p := range []*plot.Plot{calls, served} {
			if err := add(p, name, rows[1:], column+offset, colours[column/2%len(colours)]); err != nil {
				return err
			}
		}
	}
	calls.Y.Min, served.Y.Min, served.Y.Max = 0, 0, 101
	calls.Y.Max *= 1.35 // room for the legend
	calls.Legend.Top, calls.Legend.Left = true, true
	served.Legend = plot.NewLegend() // it is the same

	const width, height = 24 * vg.Centimeter, 18 * vg.Centimeter
	canvas := vgsvg.New(width, height)
	whole := draw.New(canvas)
	background := vg.Rectangle{Max: vg.Point{X: width, Y: height}}
	canvas.SetColor(color.White)
	canvas.Fill(background.Path())
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadX: vg.Millimeter, PadY: 6 * vg.Millimeter, PadTop: 3 * vg.Millimeter, PadBottom: 3 * vg.Millimeter, PadRight: 5 * vg.Millimeter, PadLeft: 3 * vg.Millimeter}
	panels := plot.Align([][]*plot.Plot{{calls}, {served}}, tiles, whole)
	calls.Draw(panels[0][0])
	served.Draw(panels[1][0])
	_, err = canvas.WriteTo(to)
	return err
}

// add draws one column against the time.
func add(p *plot.Plot, name string, rows [][]string, column int, colour color.Color) error {
	points := make(plotter.XYs, len(rows))
	for i, row := range rows {
		var err error
		if points[i].X, err = strconv.ParseFloat(row[0], 64); err != nil {
			return err
		}
		if points[i].Y, err = strconv.ParseFloat(row[column], 64); err != nil {
			return err
		}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colour, vg.Points(1.5)
	p.X.Tick.Marker = plot.TickerFunc(everyTen)
	p.X.Label.Text = "minutes (outage of the backend from 80 to 90)"
	p.Add(line)
	p.Legend.Add(name, line)
	return nil
}

// everyTen has a mark for every ten minutes.
func everyTen(from, to float64) (marks []plot.Tick) {
	for at := from; at <= to+1; at += 10 {
		marks = append(marks, plot.Tick{Value: at, Label: strconv.Itoa(int(at))})
	}
	return marks
}
