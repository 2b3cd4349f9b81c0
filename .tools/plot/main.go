// Program plot draws the chart of the fleet simulation: CSV on standard input, SVG on standard output. The first column is
// the time in minutes; then every situation has one, its share of jobs done.
package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"os"
	"strconv"

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
	done := plot.New()
	done.Title.Text, done.Y.Label.Text = "Jobs done at devices that would accept a version", "% of jobs"
	for column := 1; column < len(rows[0]); column++ {
		if err := add(done, rows[0][column], rows[1:], column, colours[(column-1)%len(colours)]); err != nil {
			return err
		}
	}
	done.Y.Min, done.Y.Max = 0, 101
	done.Legend.Left = true // below, where no line is

	const width, height = 24 * vg.Centimeter, 10 * vg.Centimeter
	canvas := vgsvg.New(width, height)
	whole := draw.New(canvas)
	background := vg.Rectangle{Max: vg.Point{X: width, Y: height}}
	canvas.SetColor(color.White)
	canvas.Fill(background.Path())
	done.Draw(draw.Crop(whole, 3*vg.Millimeter, -5*vg.Millimeter, 3*vg.Millimeter, -3*vg.Millimeter))
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
	p.X.Label.Text = "minutes (the event is at 5)"
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
