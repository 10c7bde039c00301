package main

// row is one line of the table: Hodei's value beside the limit and the peers.
type row struct {
	Scenario string `json:"scenario"`
	What     string `json:"what"`
	Unit     string `json:"unit"`
	// Lower means that less is better.
	Lower bool    `json:"lower_is_better"`
	Hodei *spread `json:"hodei"`
	Limit *spread `json:"limit,omitempty"`
	// Ratio is Hodei's value divided by the limit measured beside it.
	Ratio *spread            `json:"ratio,omitempty"`
	Peers map[string]*spread `json:"peers,omitempty"`
	// ByPeer is Hodei's value divided by each peer's of the same turn.
	ByPeer map[string]*spread `json:"by_peer,omitempty"`
	// AtLeast and Aim bound the ratio, or the value if there is no limit; 0
	// means no bound.
	AtLeast float64 `json:"at_least,omitempty"`
	// Absolute means that they bound the value even with a limit.
	Absolute bool    `json:"absolute,omitempty"`
	Aim      float64 `json:"aim,omitempty"`
	Note     string  `json:"note,omitempty"`
	// Parts is the processor time of each part of the system, in µs.
	Parts map[string]float64 `json:"parts,omitempty"`
	// Plot is shown below the table.
	Plot string `json:"plot,omitempty"`
}

// series collects the measurements of one row.
type series struct {
	hodei, limit []float64
	peers        map[string][]float64
}

func (s *series) peer(name string, value float64) {
	if s.peers == nil {
		s.peers = map[string][]float64{}
	}
	s.peers[name] = append(s.peers[name], value)
}

// fill completes the row with the measurements.
func (s *series) fill(r row) row {
	r.Hodei, r.Limit = spreadOf(s.hodei), spreadOf(s.limit)
	r.Ratio = spreadOf(quotients(s.hodei, s.limit))
	for name, values := range s.peers {
		if r.Peers == nil {
			r.Peers, r.ByPeer = map[string]*spread{}, map[string]*spread{}
		}
		r.Peers[name], r.ByPeer[name] = spreadOf(values), spreadOf(quotients(s.hodei, values))
	}
	return r
}

// judged returns the value that AtLeast and Aim apply to.
func (r row) judged() *spread {
	if r.Ratio != nil && !r.Absolute {
		return r.Ratio
	}
	return r.Hodei
}

// verdict is "aim", "reached" or "short", or "" without bounds.
func (r row) verdict() string {
	v := r.judged()
	reached := func(mark float64) bool {
		return mark != 0 && (r.Lower && v.Median <= mark || !r.Lower && v.Median >= mark)
	}
	switch {
	case v == nil || r.AtLeast == 0:
		return ""
	case reached(r.Aim):
		return "aim"
	case reached(r.AtLeast):
		return "reached"
	}
	return "SHORT"
}
