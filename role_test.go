package hodei_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestRolesIncludeThoseBelow(t *testing.T) {
	for i, has := range hodei.Roles {
		for j, needed := range hodei.Roles {
			require.Equal(t, i >= j, has.Includes(needed), "%s and %s", has, needed)
		}
		for _, own := range []hodei.Role{hodei.RoleService, hodei.RoleWorker, "", "root"} {
			require.False(t, has.Includes(own), "%s and %q", has, own)
			require.False(t, own.Includes(has), "%q and %s", own, has)
		}
	}
	require.True(t, hodei.RoleService.Includes(hodei.RoleService))
	require.False(t, hodei.RoleWorker.Includes(hodei.RoleService))
	require.False(t, hodei.Role("").Includes(""))
	_, err := hodei.ParseRole("service")
	require.Error(t, err)
}
